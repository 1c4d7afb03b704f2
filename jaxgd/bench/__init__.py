"""How long jaxgd takes beside what a user would pick instead, measured in one call.

The peers' programs are in `scripts/bench`, each a process of its own that stays alive and answers on a pipe,
so that rounds interleave and compiling is apart. Nothing here imports a peer.
"""
