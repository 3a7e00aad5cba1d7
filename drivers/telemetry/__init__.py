"""Stations and fire panels that report on their own, as inputs: SL 651-2014, HJ 212-2017, GB/T 26875.3-2011.

report.py    what every protocol's report comes down to; cutting frames out of a stream of bytes
sl651.py sl651body.py hj212.py gb26875.py    frames and their meaning, both ways; pure: no wires, no clocks
inlet.py     a serial port, a listening or a calling socket, shared by the stations that report over it
station.py   one station as an instrument: what is new since the last poll, and what of it can be believed
drivers.py   what a site file says of a station; the entry points
"""
