"""The product's memory: a test for each promise and each bug."""
