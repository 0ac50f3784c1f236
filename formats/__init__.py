"""The formats in which people hold conversations: bytes in; turns or documents out, with what was taken for what.

Every reader stands here, of transcripts and of data sets. Needs no torch, no database and no service.
"""
