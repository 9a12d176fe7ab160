package util // want name place
