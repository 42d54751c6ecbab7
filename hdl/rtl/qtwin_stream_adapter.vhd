-- qtwin_stream_adapter.sv in VHDL, for simulators that take no Verilog. Cycle for cycle the same; the tests compare both.
library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;

entity qtwin_stream_adapter is
  generic (
    word_bits     : positive := 8;
    shot_words    : positive := 1;
    answer_words  : positive := 1;
    in_flight     : positive := 16;
    answers       : positive := 1;
    has_out_ready : boolean := true;
    has_out_last  : boolean := false;
    has_out_valid : boolean := true;
    latency       : natural := 0;
    graph_hash    : std_logic_vector(31 downto 0) := (others => '0');
    clock_hz      : natural := 0
  );
  port (
    clk_i          : in  std_logic;
    rst_ni         : in  std_logic;
    s_axis_tdata   : in  std_logic_vector(31 downto 0);
    s_axis_tvalid  : in  std_logic;
    s_axis_tready  : out std_logic;
    m_axis_tdata   : out std_logic_vector(31 downto 0);
    m_axis_tvalid  : out std_logic;
    m_axis_tready  : in  std_logic;
    m_axis_tlast   : out std_logic;
    s_axil_awvalid : in  std_logic;
    s_axil_awready : out std_logic;
    s_axil_wvalid  : in  std_logic;
    s_axil_wready  : out std_logic;
    s_axil_bresp   : out std_logic_vector(1 downto 0);
    s_axil_bvalid  : out std_logic;
    s_axil_bready  : in  std_logic;
    s_axil_araddr  : in  std_logic_vector(11 downto 0);
    s_axil_arvalid : in  std_logic;
    s_axil_arready : out std_logic;
    s_axil_rdata   : out std_logic_vector(31 downto 0);
    s_axil_rresp   : out std_logic_vector(1 downto 0);
    s_axil_rvalid  : out std_logic;
    s_axil_rready  : in  std_logic;
    in_data_o      : out std_logic_vector(word_bits - 1 downto 0);
    in_valid_o     : out std_logic;
    in_last_o      : out std_logic;
    in_ready_i     : in  std_logic;
    out_data_i     : in  std_logic_vector(word_bits - 1 downto 0);
    out_valid_i    : in  std_logic;
    out_last_i     : in  std_logic;
    out_ready_o    : out std_logic
  );
end entity;

architecture rtl of qtwin_stream_adapter is
  function words_in_a_beat return positive is
  begin
    if word_bits > 16 then
      return 1;
    end if;
    return 32 / word_bits;
  end function;

  constant beats_per_word : positive := (word_bits + 31) / 32;
  constant words_per_beat : positive := words_in_a_beat;
  constant rows           : positive := (answer_words + words_per_beat - 1) / words_per_beat;
  constant row_bits       : positive := 32 * beats_per_word;
  constant length         : positive := rows * beats_per_word + 2;
  constant stallable      : boolean := has_out_ready and has_out_valid;

  subtype row_t is std_logic_vector(row_bits - 1 downto 0);
  type row_array_t is array (natural range <>) of row_t;
  type time_array_t is array (natural range <>) of unsigned(31 downto 0);

  -- input
  signal now_q                                           : unsigned(31 downto 0) := (others => '0');
  signal beat_q, word_q, in_flight_q                     : natural;
  signal in_shot_q                                       : std_logic;
  signal gathered, gathered_q                            : row_t;
  signal last_beat, last_word, may_pass, ready           : std_logic;
  signal take, shot_begins, shot_ends                    : std_logic;
  signal shown_q                                         : std_logic_vector(word_bits - 1 downto 0);
  signal shown_valid_q, shown_last_q                     : std_logic;
  signal due_q                                           : std_logic_vector(latency downto 0);
  -- answers
  signal times_q                                         : time_array_t(0 to in_flight - 1) := (others => (others => '0'));
  signal time_write_q, time_read_q, uncollected_q        : natural;
  signal rows_q                                          : row_array_t(0 to answers * rows - 1);
  signal row, row_q                                      : row_t;
  signal lane_q, column_q, write_row_q, complete_q       : natural;
  signal answer_valid, out_ready, receive, ends_answer   : std_logic;
  signal collected, answer_sent                          : std_logic;
  signal sent_q, read_row_q, read_beat_q                 : natural;
  signal latency_q                                       : unsigned(31 downto 0) := (others => '0');
  signal sending_q, begin_sending, send                  : std_logic;
  signal tag_q                                           : unsigned(15 downto 0) := (others => '0');
  signal withdrawn_q, changed_q, stalled_q               : std_logic;
  signal misplaced_q, lost_q                             : std_logic;
  signal status                                          : std_logic_vector(31 downto 0);
  signal stalled_data_q                                  : std_logic_vector(word_bits - 1 downto 0);
  -- registers
  signal bvalid_q, rvalid_q, awready                     : std_logic;

  function to_bit(condition : boolean) return std_logic is
  begin
    if condition then
      return '1';
    end if;
    return '0';
  end function;

  function to_int(bit : std_logic) return natural is
  begin
    if bit = '1' then
      return 1;
    end if;
    return 0;
  end function;

  function after_wrap(index, size : natural) return natural is
  begin
    if index = size - 1 then
      return 0;
    end if;
    return index + 1;
  end function;
begin
  -- ---- input
  last_beat <= to_bit(beat_q = beats_per_word - 1);
  last_word <= to_bit(word_q = shot_words - 1);
  may_pass  <= rst_ni and (in_shot_q or to_bit(in_flight_q < in_flight));
  process (all)
  begin
    gathered <= gathered_q;
    gathered(32 * beat_q + 31 downto 32 * beat_q) <= s_axis_tdata;
  end process;
  ready         <= (in_ready_i and may_pass) when last_beat = '1' else rst_ni;
  s_axis_tready <= ready;
  take          <= s_axis_tvalid and ready and last_beat;
  shot_begins   <= take and not in_shot_q;
  shot_ends     <= take and last_word;
  process (clk_i)
  begin
    if rising_edge(clk_i) then
      now_q <= now_q + 1;
      if s_axis_tvalid = '1' and ready = '1' then
        gathered_q <= gathered;
      end if;
      if rst_ni /= '1' then
        now_q       <= (others => '0');
        beat_q      <= 0;
        word_q      <= 0;
        in_shot_q   <= '0';
        in_flight_q <= 0;
      else
        if s_axis_tvalid = '1' and ready = '1' then
          beat_q <= after_wrap(beat_q, beats_per_word);
        end if;
        if take = '1' then
          word_q    <= after_wrap(word_q, shot_words);
          in_shot_q <= not last_word;
        end if;
        in_flight_q <= in_flight_q + to_int(shot_begins) - to_int(answer_sent);
      end if;
    end if;
  end process;

  g_valid : if has_out_valid generate
    in_data_o    <= gathered(word_bits - 1 downto 0);
    in_valid_o   <= s_axis_tvalid and last_beat and may_pass;
    in_last_o    <= last_word;
    answer_valid <= out_valid_i;
  else generate
    process (clk_i)
    begin
      if rising_edge(clk_i) then
        if take = '1' then
          shown_q <= gathered(word_bits - 1 downto 0);
        elsif rst_ni /= '1' then
          shown_q <= (others => '0');
        end if;
        shown_valid_q <= take;
        shown_last_q  <= shot_ends;
        for index in 1 to latency loop
          due_q(index) <= due_q(index - 1) and rst_ni;
        end loop;
      end if;
    end process;
    due_q(0)     <= shown_last_q and rst_ni;
    in_data_o    <= shown_q;
    in_valid_o   <= shown_valid_q;
    in_last_o    <= shown_last_q;
    answer_valid <= due_q(latency);
  end generate;

  -- ---- the time at which each shot's last word was taken
  process (clk_i)
  begin
    if rising_edge(clk_i) then
      if shot_ends = '1' then
        times_q(time_write_q) <= now_q;
      end if;
      if rst_ni /= '1' then
        time_write_q  <= 0;
        time_read_q   <= 0;
        uncollected_q <= 0;
      else
        if shot_ends = '1' then
          time_write_q <= after_wrap(time_write_q, in_flight);
        end if;
        if answer_sent = '1' then
          time_read_q <= after_wrap(time_read_q, in_flight);
        end if;
        uncollected_q <= uncollected_q + to_int(shot_ends) - to_int(collected);
      end if;
    end if;
  end process;

  -- ---- output: answers are collected row by row
  out_ready   <= rst_ni and to_bit(uncollected_q /= 0) and to_bit(complete_q < answers);
  out_ready_o <= out_ready;
  receive     <= answer_valid and out_ready;
  ends_answer <= to_bit(column_q = answer_words - 1);
  collected   <= receive and ends_answer;
  process (all)
  begin
    row <= row_q;
    if lane_q = 0 then
      row <= (others => '0');
    end if;
    row(word_bits * lane_q + word_bits - 1 downto word_bits * lane_q) <= out_data_i;
  end process;
  process (clk_i)
  begin
    if rising_edge(clk_i) then
      if receive = '1' then
        row_q               <= row;
        rows_q(write_row_q) <= row;
      end if;
      if rst_ni /= '1' then
        lane_q      <= 0;
        column_q    <= 0;
        write_row_q <= 0;
      elsif receive = '1' then
        column_q <= after_wrap(column_q, answer_words);
        lane_q   <= after_wrap(lane_q, words_per_beat);
        if ends_answer = '1' then
          lane_q <= 0;
        end if;
        if ends_answer = '1' or lane_q = words_per_beat - 1 then
          write_row_q <= after_wrap(write_row_q, answers * rows);
        end if;
      end if;
    end if;
  end process;

  -- ---- ... and sent
  status        <= x"00000" & lost_q & misplaced_q & changed_q & withdrawn_q & x"00";
  begin_sending <= not sending_q and to_bit(complete_q /= 0);
  send          <= sending_q and m_axis_tready;
  answer_sent   <= send and to_bit(sent_q = length);
  m_axis_tvalid <= sending_q;
  m_axis_tlast  <= to_bit(sent_q = length);
  process (all)
  begin
    if sent_q = 0 then
      m_axis_tdata <= std_logic_vector(tag_q) & std_logic_vector(to_unsigned(length, 8)) & x"81";
    elsif sent_q = length - 1 then
      m_axis_tdata <= std_logic_vector(latency_q);
    elsif sent_q = length then
      m_axis_tdata <= status;
    else
      m_axis_tdata <= rows_q(read_row_q)(32 * read_beat_q + 31 downto 32 * read_beat_q);
    end if;
  end process;
  process (clk_i)
  begin
    if rising_edge(clk_i) then
      if begin_sending = '1' then
        latency_q <= now_q + 1 - times_q(time_read_q);
      end if;
      stalled_data_q <= out_data_i;
      if rst_ni /= '1' then
        sent_q      <= 0;
        read_row_q  <= 0;
        read_beat_q <= 0;
        complete_q  <= 0;
        sending_q   <= '0';
        tag_q       <= (others => '0');
        withdrawn_q <= '0';
        changed_q   <= '0';
        stalled_q   <= '0';
        misplaced_q <= '0';
        lost_q      <= '0';
      else
        complete_q <= complete_q + to_int(collected) - to_int(answer_sent);
        if begin_sending = '1' then
          sending_q <= '1';
          sent_q    <= 0;
        elsif send = '1' then
          sent_q <= sent_q + 1;
          if sent_q /= 0 and sent_q < length - 1 then
            read_beat_q <= after_wrap(read_beat_q, beats_per_word);
            if read_beat_q = beats_per_word - 1 then
              read_row_q <= after_wrap(read_row_q, answers * rows);
            end if;
          end if;
          if sent_q = length then
            sending_q <= '0';
            tag_q     <= tag_q + 1;
          end if;
        end if;
        if stallable then
          stalled_q <= out_valid_i and not out_ready;
          if stalled_q = '1' and out_valid_i = '0' then
            withdrawn_q <= '1';
          end if;
          if stalled_q = '1' and out_valid_i = '1' and out_data_i /= stalled_data_q then
            changed_q <= '1';
          end if;
        end if;
        if answer_valid = '1' and out_ready = '0' and (not stallable or in_flight_q = 0) then
          lost_q <= '1';
        end if;
        if has_out_last and receive = '1' and out_last_i /= ends_answer then
          misplaced_q <= '1';
        end if;
      end if;
    end if;
  end process;

  -- ---- registers: who it is
  awready        <= s_axil_awvalid and s_axil_wvalid and not bvalid_q;
  s_axil_awready <= awready;
  s_axil_wready  <= awready;
  s_axil_bresp   <= "10";
  s_axil_bvalid  <= bvalid_q;
  s_axil_arready <= not rvalid_q;
  s_axil_rvalid  <= rvalid_q;
  process (clk_i)
  begin
    if rising_edge(clk_i) then
      if rst_ni /= '1' then
        bvalid_q <= '0';
        rvalid_q <= '0';
      else
        if awready = '1' then
          bvalid_q <= '1';
        elsif s_axil_bready = '1' then
          bvalid_q <= '0';
        end if;
        if s_axil_arvalid = '1' and rvalid_q = '0' then
          rvalid_q <= '1';
        elsif s_axil_rready = '1' then
          rvalid_q <= '0';
        end if;
      end if;
      if s_axil_arvalid = '1' and rvalid_q /= '1' then
        s_axil_rresp <= "00";
        case s_axil_araddr is
          when x"000" => s_axil_rdata <= x"31534451";
          when x"004" => s_axil_rdata <= x"00010000";
          when x"008" => s_axil_rdata <= graph_hash;
          when x"00c" => s_axil_rdata <= std_logic_vector(to_unsigned(clock_hz, 32));
          when x"ff0" => s_axil_rdata <= status;
          when others =>
            s_axil_rdata <= (others => '0');
            s_axil_rresp <= "10";
        end case;
      end if;
    end if;
  end process;
end architecture;
