"""What the site does that no published extension does."""
