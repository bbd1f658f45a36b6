package web

import (
	"crypto/subtle"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// policy is the Content-Security-Policy: the browser runs and loads only files of the
// page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard passes a request on to next if it has a session, names this machine as the
// host, and does not come from a page of another site.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !s.known(r.Host) {
			refuse(w, http.StatusForbidden, fmt.Sprintf("the name %q is not this server's: use its address, or localhost", r.Host))
			return
		}
		if !ownOrigin(r) {
			refuse(w, http.StatusForbidden, "the request comes from another site")
			return
		}
		if token := r.URL.Query().Get("token"); token != "" && r.URL.Path == "/" && r.Method == http.MethodGet {
			s.enter(w, r, token)
			return
		}
		if !s.inSession(r) {
			if r.URL.Path == "/" {
				s.login(w)
				return
			}
			refuse(w, http.StatusForbidden, "no session: open the link that status prints")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// known reports whether a Host header has an address or a name of this machine. Any
// other name may belong to a site that lets it point to this machine (DNS rebinding).
func (s *Server) known(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(name, "."), "["), "]"))
	_, err := netip.ParseAddr(name)
	return err == nil || slices.Contains(s.names, name)
}

// ownOrigin reports whether no page of another site made the request.
func ownOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		// Any site may have a link to the page.
		if r.Method != http.MethodGet || r.URL.Path != "/" || r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			return false
		}
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host && (u.Scheme == "http" || u.Scheme == "https")
}

// cookie returns the name of the session's cookie. It contains the port, because
// browsers send the cookies of one port to all ports of the host.
func cookie(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	return "starproxy-" + port
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (s *Server) inSession(r *http.Request) bool {
	c, err := r.Cookie(cookie(r))
	return err == nil && same(c.Value, s.session)
}

// tunnelKey marks the context of requests that come through a tunnel.
type tunnelKey struct{}

// enter begins a session if the token is right, and redirects to an address without it.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, token string) {
	ok := same(token, s.token)
	if through, _ := r.Context().Value(tunnelKey{}).(bool); through && token == tunnelToken {
		ok = true
	}
	if !ok {
		s.log.Warn("web UI: wrong token", "client", r.RemoteAddr)
		s.login(w)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie(r), Value: s.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// login answers with a form for the token.
func (s *Server) login(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusForbidden)
	io.WriteString(w, `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>starproxy</title><link rel="icon" href="data:,"><h1>starproxy</h1>
<p>Open the link that <code>j proxy status</code> prints, or enter its token:</p>
<form><input name="token" autocomplete="off" autofocus aria-label="Token"><button>Open</button></form></html>`)
}
