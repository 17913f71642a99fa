"""One reader per format: `read(content) -> Extracted`. Pure: bytes in, segments out, documents.errors only."""
