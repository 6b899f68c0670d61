"""Results in values (ORU without a document): OBR to DiagnosticReport, OBX to Observation, SPM to Specimen."""
