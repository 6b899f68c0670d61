"""One function a segment: ``pid_patient``, ``pv1_encounter``."""
