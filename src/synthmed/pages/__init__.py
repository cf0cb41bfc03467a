"""What pages for people are made of: one frame, figures, and how numbers are written. Nothing here measures."""
