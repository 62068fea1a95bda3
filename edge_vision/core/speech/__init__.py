"""What is worth saying, in which words, and how it becomes sound."""
