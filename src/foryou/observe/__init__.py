"""What happens is measured."""
