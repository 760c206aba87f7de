"""The use cases: authorise, meter, settle, recover."""
