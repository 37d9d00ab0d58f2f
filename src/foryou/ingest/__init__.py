"""Events come in: checked, stored, folded."""
