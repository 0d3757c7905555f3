"""Random histories of a room, lived by the real controller in virtual time, and judged by a plain second opinion."""
