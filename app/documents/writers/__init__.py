"""One module per format: operations written into the XML of a file, nothing else touched."""
