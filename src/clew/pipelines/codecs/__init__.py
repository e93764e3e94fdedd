"""Typed codecs: values to bytes and back, one kind of value per file."""

from clew.pipelines.codecs.codec import Codec, Files
from clew.pipelines.codecs.registry import codec_named, content_digest, decode, encode, find_codec, objects_of, register

__all__ = [
    "Codec",
    "Files",
    "codec_named",
    "content_digest",
    "decode",
    "encode",
    "find_codec",
    "objects_of",
    "register",
]
