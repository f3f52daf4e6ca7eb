"""placeholder"""
class Diagnosis: pass
def doctor(): pass
