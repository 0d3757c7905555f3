"""Mixed moves of many hands and rules, and whether Insula knows who did what: ``make chaos``."""
