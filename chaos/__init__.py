"""`make chaos`: a whole Waybill under load, while its processes, its servers and its receivers fail. Then it is counted."""
