"""Answers: what do we remember that bears on this?"""
