"""What they send: uploads, read once at the door into segments with anchors, sealed as one blob.

Owns: documents, document_parts; the readers of docx, pdf, md and txt; the limits on hostile files.
Promises: no text is lost silently: what is left out is counted in the document's notes.
Never: calls a model, knows jobs or HTTP, parses a file inside the API's own process.
"""
