"""Statistics of readings: pure functions of a table (reader, case, modality, truth, rating), usable without a study."""
