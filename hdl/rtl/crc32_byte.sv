// One byte's step of the CRC-32 of zlib, Ethernet and PNG (reflected polynomial 0xEDB88320).
// The register starts at 0xFFFFFFFF and is sent inverted, lowest byte first; over data and CRC it ends at 0xDEBB20E3.
`default_nettype none
module crc32_byte (
    input  logic [31:0] crc_i,
    input  logic [7:0]  byte_i,
    output logic [31:0] crc_o
);
  localparam logic [31:0] Polynomial = 32'hedb8_8320;
  logic [31:0] crc;
  always_comb begin
    crc = crc_i ^ {24'd0, byte_i};
    for (int i = 0; i < 8; i++) begin
      crc = {1'b0, crc[31:1]} ^ (crc[0] ? Polynomial : 32'd0);
    end
  end
  assign crc_o = crc;
endmodule
`default_nettype wire
