import got from 'got13';
import forms from './got-h2.cjs';

export default forms(got);
