"""Web pages of health professionals, in French: the record of a patient, its documents, who looked at it.

Views only, as in the console; no word of the engine.  RGAA 4.1 holds for every page.  To add a screen: one
module with its views, one template, one test.
"""
