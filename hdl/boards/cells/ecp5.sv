// Simulation models of the ECP5 cells that Yosys has as black boxes only.
//
// Lattice FPGA-TN-02204 (ECP5 memory usage) and FPGA-TN-02200 (sysCLOCK PLL); only what the designs here use, anything
// else stops the simulation.
`default_nettype none

// 18 kbit of block RAM with two ports, each 1, 2, 4, 9 or 18 bits wide, or 36 for one that only reads or only writes.
//
// A port that reads a word while the other one writes it gets what no design may rely on: here every bit inverted.
module DP16KD #(
    parameter logic [319:0] INITVAL_00 = '0,
    parameter logic [319:0] INITVAL_01 = '0,
    parameter logic [319:0] INITVAL_02 = '0,
    parameter logic [319:0] INITVAL_03 = '0,
    parameter logic [319:0] INITVAL_04 = '0,
    parameter logic [319:0] INITVAL_05 = '0,
    parameter logic [319:0] INITVAL_06 = '0,
    parameter logic [319:0] INITVAL_07 = '0,
    parameter logic [319:0] INITVAL_08 = '0,
    parameter logic [319:0] INITVAL_09 = '0,
    parameter logic [319:0] INITVAL_0A = '0,
    parameter logic [319:0] INITVAL_0B = '0,
    parameter logic [319:0] INITVAL_0C = '0,
    parameter logic [319:0] INITVAL_0D = '0,
    parameter logic [319:0] INITVAL_0E = '0,
    parameter logic [319:0] INITVAL_0F = '0,
    parameter logic [319:0] INITVAL_10 = '0,
    parameter logic [319:0] INITVAL_11 = '0,
    parameter logic [319:0] INITVAL_12 = '0,
    parameter logic [319:0] INITVAL_13 = '0,
    parameter logic [319:0] INITVAL_14 = '0,
    parameter logic [319:0] INITVAL_15 = '0,
    parameter logic [319:0] INITVAL_16 = '0,
    parameter logic [319:0] INITVAL_17 = '0,
    parameter logic [319:0] INITVAL_18 = '0,
    parameter logic [319:0] INITVAL_19 = '0,
    parameter logic [319:0] INITVAL_1A = '0,
    parameter logic [319:0] INITVAL_1B = '0,
    parameter logic [319:0] INITVAL_1C = '0,
    parameter logic [319:0] INITVAL_1D = '0,
    parameter logic [319:0] INITVAL_1E = '0,
    parameter logic [319:0] INITVAL_1F = '0,
    parameter logic [319:0] INITVAL_20 = '0,
    parameter logic [319:0] INITVAL_21 = '0,
    parameter logic [319:0] INITVAL_22 = '0,
    parameter logic [319:0] INITVAL_23 = '0,
    parameter logic [319:0] INITVAL_24 = '0,
    parameter logic [319:0] INITVAL_25 = '0,
    parameter logic [319:0] INITVAL_26 = '0,
    parameter logic [319:0] INITVAL_27 = '0,
    parameter logic [319:0] INITVAL_28 = '0,
    parameter logic [319:0] INITVAL_29 = '0,
    parameter logic [319:0] INITVAL_2A = '0,
    parameter logic [319:0] INITVAL_2B = '0,
    parameter logic [319:0] INITVAL_2C = '0,
    parameter logic [319:0] INITVAL_2D = '0,
    parameter logic [319:0] INITVAL_2E = '0,
    parameter logic [319:0] INITVAL_2F = '0,
    parameter logic [319:0] INITVAL_30 = '0,
    parameter logic [319:0] INITVAL_31 = '0,
    parameter logic [319:0] INITVAL_32 = '0,
    parameter logic [319:0] INITVAL_33 = '0,
    parameter logic [319:0] INITVAL_34 = '0,
    parameter logic [319:0] INITVAL_35 = '0,
    parameter logic [319:0] INITVAL_36 = '0,
    parameter logic [319:0] INITVAL_37 = '0,
    parameter logic [319:0] INITVAL_38 = '0,
    parameter logic [319:0] INITVAL_39 = '0,
    parameter logic [319:0] INITVAL_3A = '0,
    parameter logic [319:0] INITVAL_3B = '0,
    parameter logic [319:0] INITVAL_3C = '0,
    parameter logic [319:0] INITVAL_3D = '0,
    parameter logic [319:0] INITVAL_3E = '0,
    parameter logic [319:0] INITVAL_3F = '0,
    parameter int DATA_WIDTH_A = 18,
    parameter int DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG",
    parameter REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC",
    parameter ASYNC_RESET_RELEASE = "SYNC",
    parameter CSDECODE_A = "0b000",
    parameter CSDECODE_B = "0b000",
    parameter CLKAMUX = "CLKA",
    parameter CLKBMUX = "CLKB",
    parameter WRITEMODE_A = "NORMAL",
    parameter WRITEMODE_B = "NORMAL",
    parameter GSR = "ENABLED"
) (
    input  logic DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
    input  logic ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input  logic CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output logic DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
    input  logic DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    input  logic ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input  logic CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output logic DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
  localparam logic [64*320-1:0] Init = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
    INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
    INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
    INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
    INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
    INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
    INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
    INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
  };
  logic [17:0] memory_q [0:1023];
  initial begin
    for (int word = 0; word < 1024; word++) memory_q[word] = Init[20*word+:18];  // of every 20 bits
    if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CSDECODE_A != "0b000" || CSDECODE_B != "0b000" ||
        CLKAMUX == "INV" || CLKBMUX == "INV") begin
      $fatal(1, "DP16KD: this model has no output registers, selects chips by 0, and takes no inverted clock");
    end
  end
  logic clk;
  assign clk = CLKA || CLKB;  // the same on both ports, or none on a port without use

  logic [13:0] address_a;
  logic [17:0] data_a;
  logic on_a, write_a;
  logic [35:0] read_a_q;
  assign address_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  assign data_a = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
  assign on_a = CEA && {CSA2, CSA1, CSA0} == '0;
  assign write_a = on_a && WEA;

  logic [13:0] address_b;
  logic [17:0] data_b;
  logic on_b, write_b;
  logic [35:0] read_b_q;
  assign address_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  assign data_b = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
  assign on_b = CEB && {CSB2, CSB1, CSB0} == '0;
  assign write_b = on_b && WEB;

  // Lowest bit of a narrow port's data within the word of 18; widths below 9 leave the ninth bits out.
  function automatic int place(input int width, input logic [13:0] address);
    case (width)
      1: place = 9 * int'(address[3]) + int'(address[2:0]);
      2: place = 9 * int'(address[3]) + 2 * int'(address[2:1]);
      4: place = 9 * int'(address[3]) + 4 * int'(address[2]);
      9: place = 9 * int'(address[3]);
      default: place = 0;
    endcase
  endfunction

  // Bits of a word that a write changes. The address of a wide port carries an enable for each nine bits.
  function automatic logic [17:0] written(input logic write, input int width, input logic [13:0] address,
                                          input logic [9:0] word);
    logic [17:0] lanes;
    logic here;
    here = word == address[13:4];
    lanes = ((18'd1 << width) - 1) << place(width, address);
    if (width == 18) lanes = {{9{address[1]}}, {9{address[0]}}};
    if (width == 36) begin
      here = word[9:1] == address[13:5];
      lanes = word[0] ? {{9{address[3]}}, {9{address[2]}}} : {{9{address[1]}}, {9{address[0]}}};
    end
    written = write && here ? lanes : '0;
  endfunction

  // What a port finds at an address: as it was, and inverted where the other port writes.
  function automatic logic [35:0] found(input int width, input logic [13:0] address, input logic other_write,
                                        input int other_width, input logic [13:0] other_address);
    logic [9:0] low, high;
    low = width == 36 ? {address[13:5], 1'b0} : address[13:4];
    high = {low[9:1], 1'b1};
    found[17:0] = memory_q[low] ^ written(other_write, other_width, other_address, low);
    found[35:18] = memory_q[high] ^ written(other_write, other_width, other_address, high);
    if (width < 36) found = (found >> place(width, address)) & ((36'd1 << width) - 1);
  endfunction

  function automatic logic [17:0] merged(input logic [9:0] word, input logic [17:0] lanes, input logic [17:0] data);
    merged = memory_q[word] & ~lanes | data & lanes;
  endfunction

  localparam int WriteThrough = 1;
  localparam int ReadBeforeWrite = 2;
  localparam int ModeA = WRITEMODE_A == "WRITETHROUGH" ? WriteThrough : WRITEMODE_A == "NORMAL" ? 0 : ReadBeforeWrite;
  localparam int ModeB = WRITEMODE_B == "WRITETHROUGH" ? WriteThrough : WRITEMODE_B == "NORMAL" ? 0 : ReadBeforeWrite;

  // A port that writes shows, by its WRITEMODE: what it showed before, what it writes, or what was there.
  function automatic logic [35:0] shown(input logic write, input int mode, input logic [35:0] held,
                                        input logic [17:0] data, input logic [35:0] old);
    shown = !write || mode == ReadBeforeWrite ? old : mode == WriteThrough ? 36'(data) : held;
  endfunction

  logic [9:0] even_a;
  assign even_a = {address_a[13:5], 1'b0};
  always_ff @(posedge clk) begin
    if (write_a && DATA_WIDTH_A == 36) begin
      memory_q[even_a] <= merged(even_a, written(1'b1, 36, address_a, even_a), data_a);
      memory_q[even_a|10'd1] <= merged(even_a | 10'd1, written(1'b1, 36, address_a, even_a | 10'd1), data_b);
    end else if (write_a) begin
      memory_q[address_a[13:4]] <= merged(
          address_a[13:4],
          written(1'b1, DATA_WIDTH_A, address_a, address_a[13:4]),
          data_a << place(DATA_WIDTH_A, address_a)
      );
    end
    if (write_b) begin
      memory_q[address_b[13:4]] <= merged(
          address_b[13:4],
          written(1'b1, DATA_WIDTH_B, address_b, address_b[13:4]),
          data_b << place(DATA_WIDTH_B, address_b)
      );
    end
    if (on_a) begin
      read_a_q <= shown(write_a, ModeA, read_a_q, data_a,
                        found(DATA_WIDTH_A, address_a, write_b, DATA_WIDTH_B, address_b));
    end
    if (on_b) begin
      read_b_q <= shown(write_b, ModeB, read_b_q, data_b,
                        found(DATA_WIDTH_B, address_b, write_a, DATA_WIDTH_A, address_a));
    end
    if (RSTA) read_a_q <= '0;
    if (RSTB) read_b_q <= '0;
  end

  // A port B of 36 bits has both ports' outputs.
  logic [17:0] out_a, out_b;
  assign out_a = DATA_WIDTH_B == 36 ? read_b_q[17:0] : read_a_q[17:0];
  assign out_b = DATA_WIDTH_B == 36 ? read_b_q[35:18] : read_b_q[17:0];
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1,
          DOA0} = RESETMODE == "ASYNC" && (DATA_WIDTH_B == 36 ? RSTB : RSTA) ? '0 : out_a;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1,
          DOB0} = RESETMODE == "ASYNC" && RSTB ? '0 : out_b;
  initial begin
    read_a_q = '0;
    read_b_q = '0;
  end
endmodule

// The PLL as a wire: simulated time is counted in cycles of the decoder's clock. It locks a little after power-on.
module EHXPLLL #(
    parameter int CLKI_DIV = 1,
    parameter int CLKFB_DIV = 1,
    parameter int CLKOP_DIV = 8,
    parameter int CLKOP_CPHASE = 0,
    parameter FEEDBK_PATH = "CLKOP"
) (
    input  logic CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG, PLLWAKESYNC,
    input  logic ENCLKOP, ENCLKOS, ENCLKOS2, ENCLKOS3,
    output logic CLKOP, CLKOS, CLKOS2, CLKOS3, LOCK, INTLOCK, REFCLK, CLKINTFB
);
  logic [4:0] count_q;
  initial count_q = '0;
  always_ff @(posedge CLKI) begin
    if (!LOCK) count_q <= count_q + 1'b1;
  end
  assign CLKOP = CLKI;
  assign LOCK = count_q[4];
  assign INTLOCK = LOCK;
  assign {CLKOS, CLKOS2, CLKOS3, REFCLK, CLKINTFB} = '0;
endmodule
`default_nettype wire
