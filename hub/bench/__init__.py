"""How fast the hub is on this machine: what ``hub bench`` measures, with what load, and how it is told.

``load`` is a closed-loop client, ``measure`` reads what the kernel says of processes and of the machine,
``rows`` runs one line of the table against a hub of its own, ``ceiling`` measures the store alone, ``report``
writes the table.  A message counts as mapped when its resources are committed and can be searched.
"""
