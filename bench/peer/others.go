package peer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"moip/bench/load"
)

// haproxy runs HAProxy as it comes, but for how many calls there may be, and how long
// they may be silent.
func haproxy(mode string) func(Peer, Place) (*exec.Cmd, error) {
	return func(p Peer, at Place) (*exec.Cmd, error) {
		bind := at.At
		if p.Caller == load.WSS {
			if err := certify(at.Dir); err != nil {
				return nil, err
			}
			bind += " ssl crt both.pem"
		}
		config := fmt.Sprintf(`global
  maxconn %d
defaults
  mode %s
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
listen calls
  bind %s
  server service %s
`, at.Calls+20, mode, bind, at.Service)
		return exec.Command("haproxy", "-db", "-f", "haproxy.cfg"), os.WriteFile(filepath.Join(at.Dir, "haproxy.cfg"), []byte(config), 0o600)
	}
}

// streamModule is where Debian has that of nginx.
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

// nginxStream runs nginx between two streams of bytes.
func nginxStream(_ Peer, at Place) (*exec.Cmd, error) {
	return nginx(at, "load_module "+streamModule+";", fmt.Sprintf(`stream {
  server {
    listen %s;
    proxy_pass %s;
    proxy_timeout 1h;
  }
}`, at.At, at.Service))
}

// nginxProxy runs nginx as its manual has it for WebSocket. It notes each call in a file,
// as Debian's does.
func nginxProxy(p Peer, at Place) (*exec.Cmd, error) {
	listen, secure := at.At, ""
	if p.Caller == load.WSS {
		if err := certify(at.Dir); err != nil {
			return nil, err
		}
		listen += " ssl"
		secure = "ssl_certificate cert.pem; ssl_certificate_key key.pem; ssl_protocols TLSv1.2 TLSv1.3;"
	}
	return nginx(at, "", fmt.Sprintf(`http {
  access_log access.log;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  %s
  server {
    listen %s;
    location / {
      proxy_pass http://%s;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }
  }
}`, secure, listen, at.Service))
}

// nginx runs nginx as Debian has it, a process for each core, but for how many calls there
// may be.
func nginx(at Place, before, what string) (*exec.Cmd, error) {
	if os.Getuid() == 0 {
		before += "\nuser root;" // who may enter our folder
	}
	config := fmt.Sprintf(`%s
daemon off;
pid nginx.pid;
error_log error.log;
worker_processes auto;
events { worker_connections %d; }
%s
`, before, 2*at.Calls+100, what)
	return exec.Command("nginx", "-p", at.Dir, "-e", "error.log", "-c", "nginx.conf"), os.WriteFile(filepath.Join(at.Dir, "nginx.conf"), []byte(config), 0o600)
}

// websockify runs Python's websockify.
func websockify(_ Peer, at Place) (*exec.Cmd, error) {
	return exec.Command("websockify", at.At, at.Service), nil
}
