"""The canary audit: what must never leave is put everywhere it could leave from, and looked for in every byte that left."""
