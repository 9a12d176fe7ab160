package stream_test

import (
	"net"
	"net/http"
)

// insistent makes a connection for each request, so that one that is cut takes no other with it.
var insistent = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}}
