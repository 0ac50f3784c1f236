"""Captions: cues with times, made to be shown beside a recording (WebVTT, SubRip, SBV)."""
