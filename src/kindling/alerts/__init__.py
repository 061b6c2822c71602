"""Something new was reached: who is told, and how."""
