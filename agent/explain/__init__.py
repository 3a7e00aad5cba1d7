"""Why an alarm sounded or did not, in words, and the same judgement run again from the journal."""
