"""One module a family of entry templates: functions that map a clinical statement (:data:`..frame.Rule`)."""
