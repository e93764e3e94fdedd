"""What differs between runs, as tables that people read: in a terminal, a pull request, or a page."""
