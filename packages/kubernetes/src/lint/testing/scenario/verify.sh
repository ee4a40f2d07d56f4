# Verify base environment routing:
curl -H"Host:aliyundoc.base.com" http://<alb-endpoint>/a
# Expected output:
# A[172.18.XX.XX] -> B[172.18.XX.XX] -> C[172.18.XX.XX]%
# Verify canary environment routing:
curl -H"Host:www.example.com" http://<alb-endpoint>/a
# Expected output:
# Agray[172.18.XX.XX] -> Bgray[172.18.XX.XX] -> Cgray[172.18.XX.XX]%
