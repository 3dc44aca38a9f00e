// Go's own reverse proxy, httputil.ReverseProxy, doing what the gateway does: reverse_proxy PORT UPSTREAM.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

// Buffers for bodies, used again as in any proxy that cares.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte     { return *b.pool.Get().(*[]byte) }
func (b *buffers) Put(used []byte) { b.pool.Put(&used) }

func main() {
	upstream := &url.URL{Scheme: "http", Host: "127.0.0.1:" + os.Args[2]}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(upstream)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
			client, _, _ := net.SplitHostPort(r.In.RemoteAddr)
			header := r.Out.Header
			header.Set("Forwarded", "for="+client+";host=\""+r.In.Host+"\";proto=http")
			header.Set("Maelstrom-Component", "shop_web")
			header.Set("Maelstrom-Deadline", "300")
			if header.Get("X-Request-Id") == "" {
				var id [16]byte
				rand.Read(id[:])
				header.Set("X-Request-Id", hex.EncodeToString(id[:]))
			}
		},
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     10 * time.Minute,
			DisableCompression:  true,
		},
		BufferPool: &buffers{sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}},
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], proxy))
}
