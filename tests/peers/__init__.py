"""Programs written by others, or on others' libraries, that tests and benches speak with."""
