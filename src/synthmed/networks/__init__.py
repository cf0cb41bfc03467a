"""Networks: tensors in, tensors out; they know shapes and nothing of losses, data or papers."""
