"""A campus under faults: processes killed and halted at random under load, then every record accounted for."""
