"""Profile documents, part by part: reading, storing and writing them. `web.profile_documents` puts it together."""
