"""Models: packages, safe formats, versions, and aliases that only a gate lets move. Design: docs/design/package.md."""
