"""Results as text, JSON, ...: one file a format."""
