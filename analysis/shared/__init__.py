"""What the scripts of analysis/ share: campaigns as frames, their grouping, and one style."""
