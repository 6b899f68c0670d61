"""Rules of the writes of the FHIR API: what is taken, how patches and transactions become changes.

Plain functions over resources and the store; HTTP is the façade's.
"""
