"""Who is who: the identities of a patient, how they belong together, and all that is known of one.

French identity rules (RNIV): an identity of one establishment is that of another only by a qualified INS or by
the five strict traits.  Whatever is not certain is said to be so, with the reason, and never linked.
"""
