"""Real servers for tests: started on free ports and temporary folders, and stopped by their process."""
