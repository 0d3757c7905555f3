"""A simulated day over the wire, in which links are cut, sensors die and Insula is killed: ``make chaos``."""
