"""The schemes: one file per vendor, each giving `SCHEME`; `registry` finds them by itself."""
