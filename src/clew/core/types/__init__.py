"""The nouns of clew, one to a file, as frozen structs. What they mean: GLOSSARY.md."""
