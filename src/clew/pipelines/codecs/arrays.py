"""NumPy arrays and scalars in NumPy's own format, which holds type, shape and memory order; never pickled objects."""

from __future__ import annotations

import io
from typing import Any

from clew.core.errors import Corrupt, Invalid
from clew.core.extras import require
from clew.pipelines.codecs.codec import Files

__all__ = ["ArrayCodec", "ScalarCodec", "without_padding"]


def without_padding(array: Any) -> Any:
    """The same array with zeros between the fields of its records, where anything may lie."""
    np = require("numpy")
    if array.dtype.names is None:
        return array
    clean = np.zeros(array.shape, array.dtype, order="C" if array.flags.c_contiguous else "F")
    for name in array.dtype.names:
        clean[name] = array[name]
    return clean


def _npy(array: Any) -> bytes:
    """The bytes of an array. NumPy's own writer copies records through a buffer whose gaps it does not clear."""
    np = require("numpy")
    out = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_2_0(out, header)
    return out.getvalue() + bytes((array.T if header["fortran_order"] else array).tobytes())


class ArrayCodec:
    """`numpy.ndarray`."""

    name = "numpy"

    def encode(self, value: object, files: Files) -> bytes:  # noqa: ARG002
        np = require("numpy")
        assert isinstance(value, np.ndarray)
        if value.dtype.hasobject:
            raise Invalid(
                f"an array of {value.dtype} holds Python objects, which have no bytes of their own",
                hint="give it a dtype such as float64 or str, or return a list or a polars frame",
            )
        if value.ndim and not (value.flags.c_contiguous or value.flags.f_contiguous):
            value = value.copy(order="C")
        return _npy(without_padding(value))

    def decode(self, data: bytes, files: Files) -> Any:  # noqa: ARG002
        np = require("numpy")
        try:
            return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise Corrupt(f"a step's output is no NumPy array: {error}") from error


class ScalarCodec(ArrayCodec):
    """A NumPy scalar such as `numpy.float64(0.5)`, as an array without dimensions."""

    name = "numpy-scalar"

    def encode(self, value: object, files: Files) -> bytes:
        np = require("numpy")
        return super().encode(np.asarray(value), files)

    def decode(self, data: bytes, files: Files) -> Any:
        return super().decode(data, files)[()]
